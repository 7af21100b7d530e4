"""Says something to somebody, waits until it is delivered, and prints what became of it.

    python3 notify.py dl_ann "Your build is done."

HEADSUP_SERVER is where the server is, HEADSUP_KEY an API key if it wants one. KEY names what is said: with the same one it
is said once, however often this runs.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("HEADSUP_SERVER", "http://127.0.0.1:3978")
OPEN = {"scheduled", "ready", "held", "sending"}


def call(method, path, body=None, key=None):
    request = urllib.request.Request(URL + path, method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if "HEADSUP_KEY" in os.environ:
        request.add_header("Authorization", "Bearer " + os.environ["HEADSUP_KEY"])
    if key is not None:
        request.add_header("Idempotency-Key", key)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        problem = json.load(refusal)
        sys.exit(f"{problem['code']}: {problem['detail']}")


def main(user, text):
    key = os.environ.get("KEY") or str(uuid.uuid4())
    said = call("POST", "/v1/notifications", {"to": {"user": user}, "text": text}, key)
    while said["state"] in OPEN:
        time.sleep(0.2)
        said = call("GET", "/v1/notifications/" + said["id"])
    print(said["id"], said["state"])
    return 0 if said["state"] == "delivered" else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: python3 notify.py USER TEXT", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1], sys.argv[2]))
