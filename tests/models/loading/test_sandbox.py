import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = """
import errno, socket, threading
from models.loading.sandbox import forbid_network, limit_memory

forbid_network()
refused = []
def connect():
    try:
        socket.socket()
    except OSError as error:
        refused.append(error.errno == errno.EPERM)
thread = threading.Thread(target=connect)
thread.start()
thread.join()
connect()
limit_memory(2**26)
bytes(2**24)
try:
    bytes(2**28)
except MemoryError:
    refused.append(True)
print(refused)
"""


def test_sockets_and_much_memory_are_refused() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[True, True, True]"
