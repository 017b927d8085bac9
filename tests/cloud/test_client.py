"""The cloud's connection to a real broker holds, however many threads speak through it at once."""

import threading
from collections import Counter
from pathlib import Path

from cloud.sync.client import Address, Arrival, BrokerClient
from protocol.errors import TerminalId
from protocol.topics import Up, up
from tests.support.certificates import CertificateAuthority
from tests.support.mosquitto import CLOUD, Mosquitto
from tests.support.waiting import until

SPEAKERS = 3
MESSAGES = 4000


def _busy_terminal(broker: Mosquitto, authority: CertificateAuthority, number: int) -> BrokerClient:
    own = authority.issue(f"grind-{number}")
    return BrokerClient(Address("127.0.0.1", broker.port, own.ca, own.certificate, own.key), f"grind-{number}")


def test_many_threads_send_while_messages_arrive_over_one_connection(tmp_path: Path) -> None:
    """TLS has one reader and writer: threads that send while another receives must not tear the connection."""
    authority = CertificateAuthority(tmp_path)
    with Mosquitto(tmp_path / "broker", authority) as broker:
        own = authority.issue(CLOUD)
        cloud = BrokerClient(Address("127.0.0.1", broker.port, own.ca, own.certificate, own.key), "cloud-test")
        terminals = [_busy_terminal(broker, authority, number) for number in range(SPEAKERS)]
        for client in (cloud, *terminals):
            client.start()
        until(lambda: all(client.is_connected for client in (cloud, *terminals)), 10, "everybody is connected")
        arrived: Counter[str] = Counter()
        connections = [0]
        ended = threading.Event()

        def receive() -> None:
            while not ended.is_set() or not cloud.arrivals.empty():
                arrival = cloud.arrivals.get(timeout=10)
                if isinstance(arrival, Arrival):
                    arrived[arrival.topic] += 1
                else:
                    connections[0] += 1

        def answer(number: int) -> None:
            for _ in range(MESSAGES):
                cloud.send(f"gv1/down/grind-{number}/receipt", bytes(300))

        def speak(client: BrokerClient, number: int) -> None:
            for _ in range(MESSAGES):
                client.send(up(TerminalId(f"grind-{number}"), Up.ENTRIES), bytes(300))

        receiver = threading.Thread(target=receive)
        others = [threading.Thread(target=answer, args=(number,)) for number in range(SPEAKERS)]
        others += [threading.Thread(target=speak, args=(each, number)) for number, each in enumerate(terminals)]
        for thread in (receiver, *others):
            thread.start()
        for thread in others:
            thread.join()
        until(lambda: arrived.total() == SPEAKERS * MESSAGES, 30, "everything has arrived")
        ended.set()
        cloud.arrivals.put(None)
        receiver.join()
        for client in (*terminals, cloud):
            client.stop()
    assert connections[0] == 2, "one connection, and the word that ends the receiver"
    assert set(arrived.values()) == {MESSAGES}
