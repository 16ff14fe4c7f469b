from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_project_answers_and_its_admin_passes_the_checks(tmp_path: Path) -> None:
    added = Path("mysite/settings.py").read_text()
    start = [sys.executable, "-m", "django", "startproject", "mysite", str(tmp_path)]
    subprocess.run(start, check=True)
    with (tmp_path / "mysite/settings.py").open("a") as settings:
        settings.write(added)
    (tmp_path / "main.py").write_text(Path("main.py").read_text())
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "check"], cwd=tmp_path, check=True)
    path = ["--path", "/admin/login/"]
    invoke = [sys.executable, "-m", "unigate", "invoke", "main:app", *path]
    subprocess.run(invoke, cwd=tmp_path, check=True)
