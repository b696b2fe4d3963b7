"""One call of python-redmine's. Arguments: the address, what to do, and JSON; the credentials are in the environment.

Prints what came of it as JSON: the answer, or {"error": …}.
"""

import json
import os
import sys

from redminelib import Redmine
from redminelib.exceptions import BaseRedmineError

CREDENTIALS = {"REDMINE_KEY": "key", "REDMINE_LOGIN": "username", "REDMINE_PASSWORD": "password",
               "REDMINE_SWITCH_USER": "impersonate"}


def call(redmine, action, argument):
    if action == "current":
        return redmine.user.get("current").raw()
    if action == "account":
        return redmine.user.get("me").raw()
    if action == "change account":
        return redmine.user.update("me", **argument)
    if action == "list":
        people = redmine.user.filter(**argument) if argument else redmine.user.all()
        return {"users": [person.raw() for person in people], "total_count": people.total_count}
    if action == "show":
        return redmine.user.get(argument).raw()
    if action == "create":
        return redmine.user.create(**argument).raw()
    if action == "change":
        return redmine.user.update(argument.pop("id"), **argument)
    if action == "delete":
        return redmine.user.delete(argument)
    raise ValueError(action)


url, action, argument = sys.argv[1:]
credentials = {name: os.environ[variable] for variable, name in CREDENTIALS.items() if variable in os.environ}
try:
    answer = call(Redmine(url, **credentials), action, json.loads(argument))
except BaseRedmineError as error:
    answer = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(answer, default=str))
