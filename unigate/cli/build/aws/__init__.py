"""AWS Lambda: the function in a zip or an image, and the template that deploys it."""

from __future__ import annotations
