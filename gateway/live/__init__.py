"""What the sources say at this moment, for people who look: beside the running gateway, or in its stead."""
