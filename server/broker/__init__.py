"""The broker: the durable logs. `kafka` and `sqlite` implement its protocol."""

from server.broker.protocol import Broker as Broker
from server.broker.protocol import BrokerUnavailableError as BrokerUnavailableError
from server.broker.protocol import Position as Position
from server.broker.protocol import RecordTooLargeError as RecordTooLargeError
