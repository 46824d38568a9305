# SPDX-License-Identifier: MIT
"""fake_modem.py LINK -- a modem on a pseudo-terminal.

Makes LINK point to a terminal that answers the AT commands of an SMS gateway
and takes every message.  Ends with the process that started it.
"""
import os
import pty
import select
import sys
import tty

ANSWERS = {
    b"AT+CPIN?": b"+CPIN: READY",
    b"AT+CREG?": b"+CREG: 0,1",
    b"AT+CSQ": b"+CSQ: 20,0",
    b"AT+CPMS": b'+CPMS: "SM",0,10,"SM",0,10,"SM",0,10',
}
END_OF_MESSAGE = b"\x1a"


def reply(modem, text=b""):
    if text:
        os.write(modem, b"\r\n" + text + b"\r\n")
    os.write(modem, b"\r\nOK\r\n")


def answer(modem, line):
    """Answer one command; True if a message follows."""
    command = line.strip().upper()
    if command.startswith(b"AT+CMGS="):
        os.write(modem, b"\r\n> ")
        return True
    if command:
        name = command.split(b"=")[0]
        reply(modem, ANSWERS.get(name, b""))
    return False


def main():
    parent = os.getppid()
    modem, terminal = pty.openpty()
    tty.setraw(modem)
    tty.setraw(terminal)
    os.symlink(os.ttyname(terminal), sys.argv[1])
    pending = b""
    in_message = False
    messages = 0
    while os.getppid() == parent:
        if not select.select([modem], [], [], 1)[0]:
            continue
        pending += os.read(modem, 4096)
        while True:
            end = END_OF_MESSAGE if in_message else b"\r"
            line, found, rest = pending.partition(end)
            if not found:
                break
            pending = rest
            if in_message:
                in_message = False
                messages += 1
                reply(modem, b"+CMGS: %d" % messages)
            else:
                in_message = answer(modem, line)


main()
