"""Brings a database to the tables of this program, step by step, with Alembic."""
