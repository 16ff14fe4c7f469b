from __future__ import annotations

import tomllib
from pathlib import Path

import main
import pytest

from tests.samples import load
from unigate.cli.project.settings import read_settings
from unigate.testing import Client


def test_the_application_answers_below_the_base_path() -> None:
    assert Client(main.app, source="rest_api").get("/shop/").text == "the shop"


def test_events_reach_the_functions(capsys: pytest.CaptureFixture[str]) -> None:
    schedule = load("not_http/schedule")
    schedule["resources"] = ["arn:aws:events:eu-west-1:210987654321:rule/shop-dev-shop.tidy"]
    main.app.lambda_handler(schedule, None)
    main.app.lambda_handler(load("not_http/sqs"), None)
    assert capsys.readouterr().out == "tidied\ntook 1\n"


def test_the_settings_are_valid() -> None:
    settings = read_settings(tomllib.loads(Path("pyproject.toml").read_text()))
    assert settings["memory"] == 512
