"""Chains of effects across a database and a mail store, and a check that no effect survives without its cause.

usage: chains.py run  HOST IMAP_PORT LMTP_PORT ACKED CHAINS
       chains.py check HOST IMAP_PORT LMTP_PORT ACKED CHAINS [tail-may-be-lost]

A chain has steps 1, 2, 3, ...; a step commits row (chain, step) in PostgreSQL, and when that is acknowledged delivers message "chain-step" (odd steps by LMTP, even ones by IMAP APPEND);
the next step begins when that is acknowledged. Every acknowledgement is a line in ACKED: what, chain, step. So in every state that a single moment may have left behind,
row 1..n exist without a gap, messages 1..m without a gap, and m is n or n - 1. "check" asks for that; and, unless the tail may be lost, for everything that was acknowledged. It prints
what it found and ends with 1 if anything is wrong.

"run" goes on until it is killed. A chain that cannot reach a server tries the same step again; a step that is repeated is the same row and the same message.
"""
import hashlib
import imaplib
import os
import random
import smtplib
import subprocess
import sys
import threading
import time

mode, host, imap_port, lmtp_port, acked_file, chains = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], int(sys.argv[6])
PSQL = ["/usr/lib/postgresql/15/bin/psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", host, "-U", "postgres", "-d", "postgres"]


def message(chain, step):
    r = random.Random(chain * 1_000_003 + step)
    body = "".join("%032x%032x\r\n" % (r.getrandbits(128), r.getrandbits(128)) for _ in range(r.randint(5, 250)))
    return ("From: sender@localhost\r\nTo: chain%d@localhost\r\nSubject: step %d\r\nMessage-ID: <%d.%d@chains>\r\n"
            "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\r\n" % (chain, step, chain, step)) + body


def digest(text):
    return hashlib.sha256(text.split("\r\n\r\n", 1)[1].encode()).hexdigest()


def login(chain):
    client = imaplib.IMAP4(host, imap_port, timeout=10)
    client.login("chain%d" % chain, "x")
    return client


class Database:
    """One session of psql, fed line by line."""

    def __init__(self):
        self.process = subprocess.Popen(PSQL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
                                        env={**os.environ, "PGCONNECT_TIMEOUT": "2", "PGOPTIONS": "-c statement_timeout=8000"})

    def commit(self, chain, step):
        self.process.stdin.write("insert into steps values (%d, %d) on conflict do nothing;\n\\echo done\n" % (chain, step))
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise OSError("the session ended")

    def close(self):
        self.process.kill()
        self.process.wait()


def run():
    lock = threading.Lock()
    log = open(acked_file, "a")

    def acknowledged(what, chain, step):
        with lock:
            log.write("%s %d %d\n" % (what, chain, step))
            log.flush()

    def last_step(chain):
        # The chain goes on with the first step that was not acknowledged in full.
        steps = [int(line.split()[2]) for line in open(acked_file) if line.startswith("mail %d " % chain)]
        return max(steps, default=0)

    def work(chain):
        database = mail = box = None
        step, row_done = last_step(chain) + 1, False
        while True:
            try:
                if not row_done:
                    database = database or Database()
                    database.commit(chain, step)
                    acknowledged("row", chain, step)
                    row_done = True
                if step % 2:
                    mail = mail or smtplib.LMTP(host, lmtp_port, timeout=10)
                    mail.sendmail("sender@localhost", ["chain%d" % chain], message(chain, step))
                else:
                    box = box or login(chain)
                    answer, detail = box.append("INBOX", None, None, message(chain, step).encode())
                    if answer != "OK":
                        raise OSError(str(detail))
                acknowledged("mail", chain, step)
                step, row_done = step + 1, False
            except Exception as error:  # whatever a dying server makes of it: not acknowledged
                print("chain %d, step %d: %s: %s" % (chain, step, type(error).__name__, error), flush=True)
                for client in (database, mail, box):
                    try:
                        if client is not None:
                            (client.close if client is not box else client.shutdown)()
                    except Exception:
                        pass
                database = mail = box = None
                time.sleep(0.2)

    for chain in range(chains):
        threading.Thread(target=work, args=(chain,), daemon=True).start()
    threading.Event().wait()


def check():
    tail_may_be_lost = len(sys.argv) > 7
    wrong = []
    acked = [line.split() for line in open(acked_file)]
    rows = {}
    answer = subprocess.run(PSQL + ["-c", "select chain, step from steps"], capture_output=True, text=True, check=True, timeout=60).stdout
    for line in answer.split():
        chain, step = line.split("|")
        rows.setdefault(int(chain), set()).add(int(step))
    lost = 0
    for chain in range(chains):
        client = login(chain)
        answer = client.select("INBOX", readonly=True)
        end = time.monotonic() + 20
        while answer[0] != "OK" and time.monotonic() < end:
            print("chain %d: its INBOX is not opened yet: %s" % (chain, answer), file=sys.stderr)
            time.sleep(0.5)     # between two questions; the deadline counts
            answer = client.select("INBOX", readonly=True)
        if answer[0] != "OK":
            raise SystemExit("chain %d: its INBOX is not opened: %s" % (chain, answer))
        ids = client.search(None, "ALL")[1][0].split()
        mails = set()
        for at in range(0, len(ids), 50):
            for part in client.fetch(b",".join(ids[at:at + 50]), "(BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    text = part[1].decode()
                    step = int(text.split("Subject: step ")[1].split("\r")[0])
                    mails.add(step)
                    if digest(text) != digest(message(chain, step)):
                        wrong.append("message %d of chain %d is damaged" % (step, chain))
        have = rows.get(chain, set())
        last_row, last_mail = max(have, default=0), max(mails, default=0)
        for what, steps, last in (("row", have, last_row), ("message", mails, last_mail)):
            gaps = set(range(1, last + 1)) - steps
            if gaps:
                wrong.append("chain %d lacks %s %s" % (chain, what, sorted(gaps)[:5]))
        if last_mail > last_row:
            wrong.append("chain %d has message %d and not the row that caused it: the mail store is ahead of the database" % (chain, last_mail))
        if last_row > last_mail + 1:
            wrong.append("chain %d has row %d and not message %d that came before it: the database is ahead of the mail store" % (chain, last_row, last_row - 1))
        for what, steps in (("row", have), ("mail", mails)):
            missing = sorted({int(s) for w, c, s in acked if w == what and int(c) == chain} - steps)
            lost += len(missing)
            if missing and not tail_may_be_lost:
                wrong.append("chain %d: acknowledged and missing: %s %s" % (chain, what, missing[:5]))
    print("%d acknowledged, %d rows, %d acknowledged ones lost" % (len(acked), sum(map(len, rows.values())), lost))
    if tail_may_be_lost and not lost:
        wrong.append("nothing was lost, so this says nothing about what is kept of a tail")
    for line in wrong:
        print(line)
    sys.exit(bool(wrong))


run() if mode == "run" else check()
