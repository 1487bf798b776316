"""What a page asks for, as the browser itself counts it."""

from dataclasses import dataclass, field


@dataclass
class Traffic:
    """What went over the wire since it began; pictures, films and fonts stand apart."""

    rows: list[dict] = field(default_factory=list)
    media: list[dict] = field(default_factory=list)
    open: dict[str, dict] = field(default_factory=dict)

    @classmethod
    def of(cls, page) -> "Traffic":
        traffic, wire = cls(), page.context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.on("Network.requestWillBeSent", traffic.asked)
        wire.on("Network.responseReceived", traffic.answered)
        wire.on("Network.loadingFinished", traffic.finished)
        return traffic

    def asked(self, event):
        found = {
            "method": event["request"]["method"],
            "url": event["request"]["url"],
            "kind": event.get("type"),
        }
        self.open[event["requestId"]] = found

    def answered(self, event):
        if event["requestId"] in self.open:  # else it was asked before the start
            self.open[event["requestId"]]["kept"] = event["response"].get("fromDiskCache", False)

    def finished(self, event):
        found = self.open.pop(event["requestId"], None)
        size = int(event["encodedDataLength"])  # 0: the browser had it
        if found and size and not found.get("kept"):
            rows = self.media if found["kind"] in ("Image", "Media", "Font") else self.rows
            rows.append(found | {"bytes": size})

    @property
    def bytes(self) -> int:
        return sum(row["bytes"] for row in self.rows)

    def told(self) -> str:
        return "\n".join(f"{row['method']} {row['url']} {row['bytes']}" for row in self.rows)


def without_live(rows):
    return [row for row in rows if "/live/" not in row["url"]]
