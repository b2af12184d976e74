"""How are matrix arrays fitted to published figures?"""
