"""Cầu Nối: four event-driven services behind the front desk of a ward's Public Administrative Service Centre."""
