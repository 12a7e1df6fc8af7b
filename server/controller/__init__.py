"""The controller: feeds the queue from the logs, settles outcomes, sends callbacks, deletes what has expired."""

from server.controller.controller import Controller as Controller
