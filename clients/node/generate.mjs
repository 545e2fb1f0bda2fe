// Makes src/generated from proto/ with protoc of grpcio-tools and ts-proto. POLICYBOOK_PYTHON: a Python that has grpcio-tools (../../.venv has).
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const python = process.env.POLICYBOOK_PYTHON ?? join(here, "../../.venv/bin/python");
const proto = join(here, "../../proto");
const target = join(here, "src/generated");
const options = [
  "esModuleInterop=true", "importSuffix=.js", "oneof=unions-value", "forceLong=bigint", "useDate=false", "env=node",
  "outputServices=grpc-js", "outputJsonMethods=false", "outputClientImpl=true", "unrecognizedEnum=true", "outputIndex=false",
];
const places = execFileSync(python, ["-c", "import grpc_tools, google.rpc, os; print(os.path.dirname(grpc_tools.__file__) + '/_proto'); print(os.path.dirname(os.path.dirname(list(google.rpc.__path__)[0])))"], { encoding: "utf8" }).trim().split("\n");
rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const files = execFileSync(python, ["-c", "import sys, pathlib; r = pathlib.Path(sys.argv[1]); print('\\n'.join(sorted(str(p.relative_to(r)) for p in r.rglob('*.proto'))))", proto], { encoding: "utf8" }).trim().split("\n");
execFileSync(python, [
  "-m", "grpc_tools.protoc", `-I${proto}`, ...places.map((p) => `-I${p}`),
  `--plugin=protoc-gen-ts_proto=${join(here, "node_modules/.bin/protoc-gen-ts_proto")}`,
  `--ts_proto_out=${target}`, `--ts_proto_opt=${options.join(",")}`,
  ...files, "google/rpc/status.proto", "google/rpc/error_details.proto",
], { stdio: "inherit" });
