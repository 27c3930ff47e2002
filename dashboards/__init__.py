"""Dashboards, recording rules and alerts, made by code from the table of metrics."""
