"""Checking and mending somebody's file of rows."""

from ftjax.data.lint.checking import check
from ftjax.data.lint.problem import Findings, Problem

__all__ = ["Findings", "Problem", "check"]
