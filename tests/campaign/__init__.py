"""The gateway against everything that goes wrong, in simulated time: one seed is one schedule of faults and kills."""
