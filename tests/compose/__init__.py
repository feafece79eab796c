"""`make compose-test`: the real `docker-compose.yml` on a real engine, crashed under load, judged by the checker."""
