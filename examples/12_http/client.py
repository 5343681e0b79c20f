#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tasks over HTTP from Python, with `requests` alone; copy what you need.

    gateway = Gateway("http://127.0.0.1:8000", key)
    gateway.call("count_words", text="to be or not to be", at_most=2)

client.py ADDRESS KEY TASK NAME=JSON… does the same from a shell.
"""
import json
import sys

import requests


class TaskError(Exception):
    """Why there is no result. `code` is stable, `status` HTTP's, `problem` all that was said (RFC 9457)."""

    def __init__(self, problem):
        super().__init__(problem.get("detail", problem.get("title", "")))
        self.problem, self.code, self.status = problem, problem.get("code", ""), problem.get("status", 0)


def checked(answer):
    if not answer.ok:
        is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
        raise TaskError(answer.json() if is_problem else {"status": answer.status_code, "detail": answer.text})
    return answer


class Gateway:
    def __init__(self, address, key):
        self.address, self.http = address.rstrip("/"), requests.Session()
        self.http.headers["Authorization"] = "Bearer " + key

    def _post(self, path, arguments, deadline=None, idempotency_key=None, **how):
        fields = {"Yonder-Deadline": str(deadline)} if deadline is not None else {}
        if idempotency_key is not None:
            fields["Idempotency-Key"] = idempotency_key
        return checked(self.http.post(self.address + path, json=arguments, headers=fields, **how))

    def call(self, task, deadline=None, idempotency_key=None, **arguments):
        """The task's result. It is waited for as long as it takes."""
        answer = self._post(f"/v1/tasks/{task}", arguments, deadline, idempotency_key)
        return answer.json() if answer.status_code != 202 else self.wait(answer.json()["id"])

    def spawn(self, task, deadline=None, idempotency_key=None, **arguments):
        """The id of a call that goes on by itself."""
        return self._post(f"/v1/tasks/{task}/spawn", arguments, deadline, idempotency_key).json()["id"]

    def wait(self, call):
        """The result of a spawned call."""
        while True:
            state = checked(self.http.get(f"{self.address}/v1/calls/{call}", params={"wait": "30"})).json()
            if state["state"] == "succeeded":
                return state.get("result")
            if state["state"] != "running":
                raise TaskError(state["error"])

    def cancel(self, call):
        checked(self.http.delete(f"{self.address}/v1/calls/{call}"))

    def map(self, task, items, deadline=None):
        """One result for each of `items`, which are arguments; an error stands in its place."""
        made = self._post(f"/v1/tasks/{task}/batch", list(items), deadline).json()
        return [one["result"] if "result" in one else TaskError(one["error"]) if "error" in one else self.wait(one["call"]) for one in made]

    def stream(self, task, **arguments):
        """The items of a task that streams, as they come."""
        with self._post(f"/v1/tasks/{task}", arguments, stream=True) as answer:
            answer.encoding = "utf-8"
            event = ""
            for line in answer.iter_lines(decode_unicode=True):
                name, _, value = line.partition(": ")
                if not line:
                    event = ""
                elif name == "event":
                    event = value
                elif name == "data" and event == "error":
                    raise TaskError(json.loads(value))
                elif name == "data" and event == "":
                    yield json.loads(value)


if __name__ == "__main__":
    address, key, task, *arguments = sys.argv[1:]
    print(json.dumps(Gateway(address, key).call(task, **{name: json.loads(value) for name, _, value in (one.partition("=") for one in arguments)})))
