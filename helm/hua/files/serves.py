"""What `helm test` runs, with nothing but Python: asks the api whether it lives, and has a task run if it may."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ["URL"]
KEY = os.environ.get("API_KEY", "")
DEADLINE = time.monotonic() + float(os.environ["TIMEOUT_S"])


def ask(path: str, body: bytes | None = None) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {KEY}"} if KEY else {})
    request = urllib.request.Request(URL + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def until_ok(path: str) -> str:
    while True:
        status, text = ask(path)
        if status == 200:
            print(f"{path}: {text}")
            return text
        if time.monotonic() > DEADLINE:
            sys.exit(f"{path}: {status} {text}")
        time.sleep(2)


until_ok("/healthz")
until_ok("/readyz")
status, text = ask("/v1/tasks", os.environ["TASK"].encode())
if status == 401 and not KEY:
    print("no task is run without a key; tests.apiKey names the Secret of one")
    sys.exit()
if status != 202:
    sys.exit(f"/v1/tasks: {status} {text}")
task = json.loads(text)
while task["status"] in ("queued", "running"):
    if time.monotonic() > DEADLINE:
        sys.exit(f"task {task['id']} is {task['status']}, and the time is over")
    time.sleep(1)
    task = json.loads(until_ok(f"/v1/tasks/{task['id']}"))
if task["status"] != "succeeded":
    sys.exit(f"the task ended as {task['status']}: {task.get('error')}")
