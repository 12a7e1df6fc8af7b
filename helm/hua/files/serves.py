"""The script of `helm test`, with the standard library only: checks the api, and runs a task if it may."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ["URL"]
KEY = os.environ.get("API_KEY", "")
DEADLINE = time.monotonic() + float(os.environ["TIMEOUT_S"])


def request(path: str, body: bytes | None = None) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {KEY}"} if KEY else {})
    http_request = urllib.request.Request(URL + path, body, headers)
    try:
        with urllib.request.urlopen(http_request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def until_ok(path: str) -> str:
    while True:
        status, text = request(path)
        if status == 200:
            print(f"{path}: {text}")
            return text
        if time.monotonic() > DEADLINE:
            sys.exit(f"{path}: {status} {text}")
        time.sleep(2)


until_ok("/healthz")
until_ok("/readyz")
status, text = request("/v1/tasks", os.environ["TASK"].encode())
if status == 401 and not KEY:
    print("no task was run: the api needs a key; set tests.apiKey.name to the Secret of one")
    sys.exit()
if status != 202:
    sys.exit(f"/v1/tasks: {status} {text}")
task = json.loads(text)
while task["status"] in ("queued", "running"):
    if time.monotonic() > DEADLINE:
        sys.exit(f"task {task['id']} is still {task['status']} at the time limit")
    time.sleep(1)
    task = json.loads(until_ok(f"/v1/tasks/{task['id']}"))
if task["status"] != "succeeded":
    sys.exit(f"the task ended as {task['status']}: {task.get('error')}")
