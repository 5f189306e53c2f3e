"""Tables: reading files, finding out what columns hold, turning them into the arrays that a network learns from."""
