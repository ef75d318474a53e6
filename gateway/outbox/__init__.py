"""The durable queue between mapping and delivery."""
