"""The platform, detected by the variables that each one documents."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable

import pytest

from tests.platforms import PROOFS
from unigate import platforms, vercel_env
from unigate.client import providers
from unigate.platforms import Platform
from unigate.vercel_env import get_env

PLATFORMS: list[tuple[dict[str, str], Platform]] = [
    (
        {
            "VERCEL": "1",
            "VERCEL_REGION": "fra1",
            "VERCEL_DEPLOYMENT_ID": "dpl_7Gw5ZMBvQA8h9GF832KGp7nwbuh3",
            "VERCEL_ENV": "preview",
            "VERCEL_URL": "notes-git-main.vercel.app",
            "VERCEL_GIT_COMMIT_SHA": "fa1eade47b73733d6312d5abfad33ce9e4068081",
            "AWS_LAMBDA_FUNCTION_NAME": "what is underneath",
            "AWS_REGION": "eu-central-1",
        },
        Platform(
            "vercel",
            "fra1",
            "dpl_7Gw5ZMBvQA8h9GF832KGp7nwbuh3",
            "preview",
            "https://notes-git-main.vercel.app",
            "fa1eade47b73733d6312d5abfad33ce9e4068081",
        ),
    ),
    (
        {
            "NETLIFY": "true",
            "CONTEXT": "deploy-preview",
            "DEPLOY_ID": "5d4aeac2ccabf517d2f219b8",
            "URL": "https://petsof.example.org",
            "COMMIT_REF": "b6a9d4a",
            "AWS_LAMBDA_FUNCTION_NAME": "what is underneath",
            "AWS_REGION": "us-east-2",
        },
        Platform(
            "netlify",
            "us-east-2",
            "5d4aeac2ccabf517d2f219b8",
            "deploy-preview",
            "https://petsof.example.org",
            "b6a9d4a",
        ),
    ),
    (
        {
            "FLY_APP_NAME": "notes",
            "FLY_REGION": "ams",
            "FLY_IMAGE_REF": "registry.fly.io/notes:deployment-01H9RK9EYO9PGNBYAKGXSHV0PH",
        },
        Platform(
            "fly",
            "ams",
            "registry.fly.io/notes:deployment-01H9RK9EYO9PGNBYAKGXSHV0PH",
            url="https://notes.fly.dev",
        ),
    ),
    ({"K_SERVICE": "notes", "K_REVISION": "notes.1"}, Platform("google", deployment="notes.1")),
    ({"FUNCTION_TARGET": "main"}, Platform("google")),
    (
        {"GAE_SERVICE": "default", "GAE_VERSION": "20260101t000000", "K_SERVICE": ""},
        Platform("app-engine", deployment="20260101t000000"),
    ),
    (
        {
            "WEBSITE_SITE_NAME": "notes",
            "REGION_NAME": "West Europe",
            "WEBSITE_SLOT_NAME": "Production",
            "WEBSITE_HOSTNAME": "notes.azurewebsites.net",
        },
        Platform(
            "azure", "West Europe", None, "Production", "https://notes.azurewebsites.net", None
        ),
    ),
    ({"FUNCTIONS_WORKER_RUNTIME": "python"}, Platform("azure")),
    (
        {
            "AWS_LAMBDA_FUNCTION_NAME": "notes",
            "AWS_REGION": "eu-west-1",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        },
        Platform("aws", "eu-west-1", "$LATEST"),
    ),
    ({"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, Platform("aws")),
    ({"VERCEL": "", "PATH": "/bin"}, Platform()),
]


@pytest.mark.parametrize(("env", "expected"), PLATFORMS)
def test_platform_is_told_by_its_variables(env: dict[str, str], expected: Platform) -> None:
    assert platforms.current(env) == expected


def test_platform_of_this_process_is_looked_up_each_time(run_on: Callable[[str], None]) -> None:
    assert platforms.current() == Platform()
    assert platforms.proven() is None
    run_on("vercel")
    assert platforms.current().name == "vercel"
    assert platforms.proven() == "vercel"


def test_a_proof_comes_before_a_hint() -> None:
    env = {**PROOFS["aws"], "FUNCTION_TARGET": "main", "VERCEL": "1"}
    assert platforms.current(env).name == platforms.proven(env) == "aws"


@pytest.mark.parametrize("name", PROOFS)
def test_variables_of_a_platform_prove_it(name: str) -> None:
    assert platforms.proven(PROOFS[name]) == name.partition(" ")[0]


def test_every_proof_is_tried() -> None:
    tried = [group for row in platforms.ROWS for group in row.proofs]
    given = [set(variables) for variables in PROOFS.values()]
    assert [{entry.partition("=")[0] for entry in group} for group in tried] == given


@pytest.mark.parametrize("value", [None, "", "0"])
@pytest.mark.parametrize(
    ("name", "variable"), [(name, variable) for name in PROOFS for variable in PROOFS[name]]
)
def test_no_variable_of_a_proof_may_be_missing(name: str, variable: str, value: str | None) -> None:
    rest = {key: given for key, given in PROOFS[name].items() if key != variable}
    assert platforms.proven(rest if value is None else rest | {variable: value}) is None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vercel", {"VERCEL": "true"}),
        ("vercel", {"VERCEL": " 1"}),
        ("vercel", {"VERCEL_REGION": "dev1"}),
        ("vercel", {"VERCEL_ENV": "development"}),
        ("app-engine", {"GAE_ENV": "localdev"}),
        ("google", {"FUNCTIONS_EMULATOR": "true"}),
        ("azure", {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}),
        ("azure on Linux", {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"}),
        ("aws", {"AWS_SAM_LOCAL": "true"}),
    ],
)
def test_tools_for_development_prove_nothing(name: str, change: dict[str, str]) -> None:
    assert platforms.proven(PROOFS[name] | change) is None
    assert platforms.current(PROOFS[name] | change).name == name.partition(" ")[0]


@pytest.mark.parametrize(
    "env",
    [
        # `vercel env pull`
        {"VERCEL": "1", "VERCEL_ENV": "development", "VERCEL_URL": "", "VERCEL_GIT_REPO_ID": ""},
        {"VERCEL": "1", "VERCEL_ENV": "production", "VERCEL_URL": ""},
        {"VERCEL": "1", "VERCEL_REGION": "dev1", "NOW_REGION": "dev1"},  # `vercel dev`
        {"NETLIFY": "true", "NETLIFY_DEV": "true", "CONTEXT": "dev"},  # `netlify dev`
        {"NETLIFY": "true", "DEPLOY_ID": "1", "URL": "https://example.org"},  # a build
        {"SITE_ID": "1", "SITE_NAME": "petsof", "URL": "https://example.org"},
        {"FLY_APP_NAME": "notes", "FLY_REGION": "ams"},  # a file for `fly deploy`
        # Firebase's emulator, an image for Cloud Run elsewhere, `functions_framework`
        {"K_SERVICE": "notes", "K_REVISION": "1", "FUNCTION_TARGET": "notes"},
        {"K_SERVICE": "notes"},
        {"FUNCTION_TARGET": "main"},
        {"GAE_APPLICATION": "dev~notes", "GAE_SERVICE": "default", "GAE_ENV": "localdev"},
        {"GAE_SERVICE": "default", "GAE_INSTANCE": "aef-1", "GAE_VERSION": "1"},  # flexible
        # `func start`, and settings that `func azure functionapp fetch-app-settings` writes
        {"FUNCTIONS_WORKER_RUNTIME": "python", "WEBSITE_HOSTNAME": "localhost:7071"},
        {"WEBSITE_SITE_NAME": "notes", "FUNCTIONS_WORKER_RUNTIME": "python"},
        {"CONTAINER_NAME": "notes", "WEBSITE_INSTANCE_ID": "6bf7af9b2a3d"},
        {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_REGION": "eu-west-1"},
        {"AWS_LAMBDA_FUNCTION_NAME": "notes"},
        {},
    ],
)
def test_variables_that_exist_elsewhere_prove_nothing(env: dict[str, str]) -> None:
    assert platforms.proven(env) is None


def test_a_platform_that_is_switched_off_is_not_named() -> None:
    assert platforms.current({"VERCEL": "0", "NETLIFY": ""}) == Platform()


def test_header_names_of_a_provider_can_be_chosen() -> None:
    row = providers.provider("google-load-balancer", country="X-Client-Region")
    assert row.country == "X-Client-Region"
    assert row.own == providers.PROVIDERS["google-load-balancer"].own
    assert not providers.PROVIDERS["google-load-balancer"].country


def test_unknown_provider_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"must be one of vercel, aws, .*akamai, got 'heroku'"):
        providers.provider("heroku")


def test_unknown_header_of_a_provider_names_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"must be among client, host, country, .*got appends, town"
    ):
        providers.provider("fastly", town="x-town", appends="yes")


SDK_NAMES = (
    *("VERCEL", "CI", "VERCEL_ENV", "VERCEL_URL", "VERCEL_BRANCH_URL"),
    *("VERCEL_PROJECT_PRODUCTION_URL", "VERCEL_REGION", "VERCEL_DEPLOYMENT_ID"),
    *("VERCEL_SKEW_PROTECTION_ENABLED", "VERCEL_AUTOMATION_BYPASS_SECRET", "VERCEL_GIT_PROVIDER"),
    *("VERCEL_GIT_REPO_SLUG", "VERCEL_GIT_REPO_OWNER", "VERCEL_GIT_REPO_ID"),
    *("VERCEL_GIT_COMMIT_REF", "VERCEL_GIT_COMMIT_SHA", "VERCEL_GIT_COMMIT_MESSAGE"),
    *("VERCEL_GIT_COMMIT_AUTHOR_LOGIN", "VERCEL_GIT_COMMIT_AUTHOR_NAME", "VERCEL_GIT_PREVIOUS_SHA"),
    *("VERCEL_GIT_PULL_REQUEST_ID",),
)


def test_get_env_has_every_variable_of_the_sdk() -> None:
    values = {name: f"value of {name}" for name in SDK_NAMES}
    env = get_env({**values, "HOME": "/root"})
    assert env.to_dict().items() >= values.items()
    for name, value in values.items():
        assert getattr(env, name) == env[name] == env.get(name) == value
    more = env.to_dict().keys() - values.keys()
    assert more == {"VERCEL_TARGET_ENV", "VERCEL_PROJECT_ID"}


def test_get_env_reads_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERCEL_URL", "notes.vercel.app")
    assert get_env().VERCEL_URL == "notes.vercel.app"


def test_get_env_shows_unset_and_empty_as_none() -> None:
    env = get_env({"VERCEL_ENV": ""})
    assert set(env.to_dict().values()) == {None}
    assert env.get("VERCEL_ENV") is None
    assert env.get("VERCEL_NONE_SUCH", "other") == "other"
    with pytest.raises(KeyError, match="VERCEL_NONE_SUCH"):
        env["VERCEL_NONE_SUCH"]
    with pytest.raises(AttributeError):
        _ = env.VERCEL_NONE_SUCH


def test_env_is_a_fixed_value() -> None:
    env = vercel_env.Env(VERCEL="1")
    with pytest.raises(AttributeError, match="VERCEL"):
        env.VERCEL = "0"  # type: ignore[misc]
    with pytest.raises(TypeError, match="NONE"):
        vercel_env.Env(NONE="1")  # type: ignore[call-arg]
    assert env == get_env({"VERCEL": "1"})
    assert hash(env) == hash(get_env({"VERCEL": "1"}))
    assert env != get_env({})
    assert env != {"VERCEL": "1"}


def test_env_is_a_dataclass_with_the_fields_of_vercels_first() -> None:
    sdk = importlib.import_module("vercel.functions")
    theirs = [field.name for field in dataclasses.fields(sdk.Env)]
    ours = [field.name for field in dataclasses.fields(vercel_env.Env)]
    assert ours[: len(theirs)] == theirs
    env = get_env({"VERCEL": "1"})
    assert env == vercel_env.Env("1")
    assert dataclasses.asdict(env) == env.to_dict() == vars(env)
    assert dataclasses.replace(env, CI="1") == get_env({"VERCEL": "1", "CI": "1"})


def test_env_shows_names_but_no_values() -> None:
    env = get_env({"VERCEL": "1", "VERCEL_AUTOMATION_BYPASS_SECRET": "geheim"})
    assert repr(env) == "<Env VERCEL, VERCEL_AUTOMATION_BYPASS_SECRET>"
    assert repr(get_env({})) == "<Env without variables>"
