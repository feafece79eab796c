"""What every service stands on. It knows no service and holds no business word."""
