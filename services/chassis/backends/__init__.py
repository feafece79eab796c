"""The only place where drivers live: one store and one bus a backend, behind `chassis.ports`."""
