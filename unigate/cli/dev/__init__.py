"""What `unigate dev` serves with: a server, the platform that it plays, and what it calls."""
