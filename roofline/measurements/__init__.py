"""How are measurements stored and judged? Records, files, health, differences, and public sets in the same form."""
