"""What the gateway says of itself: health, metrics, status page, systemd."""
