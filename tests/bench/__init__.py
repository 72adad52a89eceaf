"""How fast is it? settlepipe beside what people write with Celery; see __main__."""
