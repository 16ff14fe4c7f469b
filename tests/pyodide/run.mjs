// Run pytest on Pyodide, CPython for WebAssembly: node --stack-size=... run.mjs PYODIDE PACKAGES [ARGUMENT ...]
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [folder, packages, ...args] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(path.resolve(folder, "pyodide.mjs")));
const python = await loadPyodide({ env: { HOME: "/tmp", PYTHONDONTWRITEBYTECODE: "1" } });
const mounts = {
  "/project": fileURLToPath(new URL("../..", import.meta.url)),
  "/packages": path.resolve(packages),
};
for (const [name, root] of Object.entries(mounts)) {
  python.FS.mkdirTree(name);
  python.FS.mount(python.FS.filesystems.NODEFS, { root }, name);
}
python.globals.set("arguments", python.toPy(args));
process.exitCode = python.runPython(`
import os, sys

os.chdir("/project")
sys.path[:0] = ["/project", "/packages"]
print(sys.version)

import pytest

int(pytest.main(["-p", "tests.pyodide.without_threads", *arguments]))
`);
