#!/usr/bin/python3
"""Plays the requests of ../transcripts/*.json to the real packages and writes down what they answer.

    apt-get install python3-djangorestframework python3-djangorestframework-simplejwt gunicorn
    /usr/bin/python3 test/dialects/recording/record.py

What changes from one time to the next is written as <any string>, <any number> or <any time>. An exchange with
"source" does not come from a package but from what it names, and is left as it is; so are all "differences".
"""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
TRANSCRIPTS = os.path.join(HERE, "..", "transcripts")
HEADERS = ["allow", "vary", "www-authenticate", "retry-after"]


def main():
    with tempfile.TemporaryDirectory() as home:
        for name in sorted(each for each in os.listdir(TRANSCRIPTS) if each.endswith(".json")):
            record(os.path.join(TRANSCRIPTS, name), os.path.join(home, name + ".sqlite3"))


def record(file, database):
    env = {**os.environ, "RECORDING_DATABASE": database, "PYTHONPATH": HERE, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", "import service; service.prepare()"], check=True, env=env)
    port = free_port()
    server = subprocess.Popen(
        ["/usr/bin/gunicorn", "-b", f"127.0.0.1:{port}", "--log-level", "error", "service:application"], env=env
    )
    try:
        wait_for(port)
        with open(file, encoding="utf8") as stream:
            exchanges = json.load(stream)
        taken = {}
        for exchange in exchanges:
            if "source" not in exchange:
                exchange["answer"] = play(port, exchange, taken)
        with open(file, "w", encoding="utf8") as stream:
            json.dump(exchanges, stream, indent=2, ensure_ascii=False)
            stream.write("\n")
        print(f"{os.path.basename(file)}: {len(exchanges)} exchanges")
    finally:
        server.terminate()
        server.wait()


def play(port, exchange, taken):
    request = json.loads(fill(json.dumps(exchange["request"]), taken))
    headers, body = dict(request.get("headers", {})), request.get("body")
    if "json" in request:
        headers["content-type"], body = "application/json", json.dumps(request["json"])
    if "form" in request:
        headers["content-type"], body = "application/x-www-form-urlencoded", urllib.parse.urlencode(request["form"])
    for _ in range(exchange.get("times", 1)):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request(request["method"], request["path"], body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    found = json.loads(text) if "json" in (answer.getheader("content-type") or "") else None
    for name, at in exchange.get("take", {}).items():
        taken[name] = found[at]
    kept = {name: answer.getheader(name) for name in HEADERS if answer.getheader(name) is not None}
    return steady({"status": answer.status, "headers": kept, "body": found})


def fill(text, taken):
    return re.sub(r"<(\w+)>", lambda match: taken.get(match[1], match[0]), text)


def steady(value, name=""):
    if isinstance(value, dict):
        return {key: steady(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [steady(each) for each in value]
    if name in ("token", "access", "refresh") and isinstance(value, str):
        return "<any string>"
    if name in ("id", "user_id"):
        return "<any number>"
    if name in ("expiry", "date_joined", "last_login", "retry-after"):
        return "<any time>"
    if isinstance(value, str):
        return re.sub(r"available in \d+ second", "available in <any> second", value)
    return value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit("gunicorn did not start")


main()
