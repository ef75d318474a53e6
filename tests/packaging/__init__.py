"""How the project is installed and packaged: make, lock files, wheel, systemd unit, container."""
