"""kcat, the client people reach for first."""

import subprocess


def kcat(kafka, *arguments, stdin=None):
    done = subprocess.run(["kcat", "-b", kafka, *arguments], input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_produce_list_consume(kafka, topic):
    kcat(kafka, "-P", "-t", topic, "-K", ":", "-z", "lz4", stdin="a:1\nb:2\nc:3\n")
    assert f'topic "{topic}" with 1 partitions' in kcat(kafka, "-L", "-t", topic)
    assert kcat(kafka, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%o %k=%s\n") == "0 a=1\n1 b=2\n2 c=3\n"
    assert kcat(kafka, "-C", "-t", topic, "-o", "-1", "-e", "-q", "-f", "%s") == "3"
    assert kcat(kafka, "-Q", "-t", f"{topic}:0:-1").split()[-1] == "3"


def test_balanced_consumer(kafka, topic):
    kcat(kafka, "-P", "-t", topic, stdin="x\ny\n")
    assert kcat(kafka, "-G", topic, "-X", "auto.offset.reset=earliest", "-e", "-q", topic) == "x\ny\n"
