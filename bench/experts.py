#!/usr/bin/env python3
"""Which experts' pages a running binary has mapped.

    experts.py BINARY

Drops the binary from the page cache, lets it run inferences, reads its page
table (/proc/PID/pagemap) meanwhile and prints the resident pages of each weight
section: those of experts that the input did not choose must be none.
"""

import json
import os
import re
import subprocess
import sys
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


def weight_sections(binary):
    """Name -> (address, bytes) of the sections that hold weights."""
    text = subprocess.check_output(["readelf", "-SW", binary], text=True)
    pattern = r"\.moe\.(\S+)\s+PROGBITS\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)"
    return {
        name: (int(address, 16), int(size, 16))
        for name, address, size in re.findall(pattern, text)
    }


def drop_from_cache(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def resident_pages(pid, address, size):
    """Pages of a range that are in the process's page table."""
    first, last = address // PAGE, -(-(address + size) // PAGE)
    with open(f"/proc/{pid}/pagemap", "rb") as file:
        file.seek(8 * first)
        entries = file.read(8 * (last - first))
    # Bit 63 of an entry: present.
    return sum(byte >> 7 for byte in entries[7::8])


def measure(binary):
    """Section -> (resident pages, all pages), after some inferences."""
    sections = weight_sections(binary)
    drop_from_cache(binary)
    command = [binary, "--benchmark", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        time.sleep(1.0)
        found = {
            name: (resident_pages(process.pid, *place), -(-place[1] // PAGE))
            for name, place in sections.items()
        }
        process.kill()
    return found


def summarize(found):
    """What the benchmark's input touched of the experts."""
    experts = {name: pages for name, pages in found.items() if ".expert." in name}
    chosen = {name: pages for name, pages in experts.items() if pages[0] > 0}
    return {"experts": len(experts), "touched": chosen}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip().splitlines()[2].strip())
    found = measure(os.path.abspath(sys.argv[1]))
    for name, (resident, total) in found.items():
        print(f"{name}: {resident} of {total} pages")
    print(json.dumps(summarize(found)))


if __name__ == "__main__":
    main()
