"""What watches and asks a controller."""
