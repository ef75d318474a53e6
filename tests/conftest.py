"""What holds for all tests: they may run beside each other on a busy machine, so none fails because a step of it was slow."""

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
