"""What a command says to the person or the program that runs it, and how it stops. No computing."""
