"""How are answers shown? Tables and pictures made of values; nothing here computes a time."""
