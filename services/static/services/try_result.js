/* The result of "Try it": values and tables, files, what was printed, and where the time went. */
(function () {
    "use strict";

    const { element } = window.tryIt;
    const SHOWN_ROWS = 100;
    const SHOWN_LETTERS = 20000;
    const IMAGES = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", svg: "image/svg+xml" };

    function shown(value) {
        return value === null ? "missing" : typeof value === "string" ? value : JSON.stringify(value);
    }

    function isScalarList(value) {
        return Array.isArray(value) && value.every((each) => each === null || typeof each !== "object");
    }

    function cell(value) {
        if (typeof value === "number") {
            const short = String(Number(value.toPrecision(6)));
            return element("td", { class: "number", title: short === String(value) ? null : value }, short);
        }
        return element("td", { class: value === null ? "muted" : "" }, shown(value));
    }

    function table(title, names, rows) {
        const head = element("tr", {}, element("th", { scope: "col" }, "#"),
            ...names.map((name) => element("th", { scope: "col" }, name)));
        const body = element("tbody");
        const view = element("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": title },
            element("table", { class: "data-table plain" }, element("thead", {}, head), body));
        const draw = (from, to) => rows.slice(from, to).forEach((row, at) => body.append(
            element("tr", {}, element("th", { scope: "row" }, String(from + at + 1)), ...row.map(cell))));
        draw(0, SHOWN_ROWS);
        if (rows.length > SHOWN_ROWS) {
            view.append(element("button", {
                type: "button", class: "button",
                onclick: (event) => { draw(SHOWN_ROWS, rows.length); event.target.remove(); },
            }, `Show all ${rows.length} rows`));
        }
        return view;
    }

    function output(name, value) {
        if (value && typeof value === "object" && !Array.isArray(value)) {
            const columns = Object.entries(value);
            if (columns.length && columns.every(([, cells]) => isScalarList(cells) && cells.length === columns[0][1].length)) {
                const rows = columns[0][1].map((_, row) => columns.map(([, cells]) => cells[row]));
                return table(name, columns.map(([title]) => title), rows);
            }
        }
        if (isScalarList(value) && value.length) {
            return table(name, ["value"], value.map((each) => [each]));
        }
        if (Array.isArray(value) && value.length && value.every(isScalarList) && value[0].length) {
            return table(name, value[0].map((_, at) => String(at + 1)), value);
        }
        if (value !== null && typeof value === "object") {
            return element("pre", { class: "code", tabindex: "0" }, JSON.stringify(value, null, 2).slice(0, SHOWN_LETTERS));
        }
        return element("p", { class: "try-value" }, shown(value));
    }

    function bytesOf(base64) {
        return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    }

    function download(name, blob, label) {
        return element("button", {
            type: "button", class: "button",
            onclick: () => {
                const address = URL.createObjectURL(blob);
                const link = element("a", { href: address, download: name });
                link.click();
                setTimeout(() => URL.revokeObjectURL(address), 1000);
            },
        }, label);
    }

    function size(bytes) {
        return bytes < 1024 ? `${bytes} bytes` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1048576).toFixed(1)} MiB`;
    }

    function file(name, base64) {
        const type = IMAGES[name.split(".").pop().toLowerCase()];
        const blob = new Blob([bytesOf(base64)], { type: type || "application/octet-stream" });
        const line = element("p", { class: "toolbar" },
            element("code", {}, name), ` ${size(blob.size)} `, download(name, blob, `Download ${name}`));
        if (!type) {
            return line;
        }
        const image = element("img", { src: `data:${type};base64,${base64}`, alt: `Output file ${name}`, class: "try-image" });
        return element("div", {}, line, image);
    }

    function section(title, ...children) {
        return element("section", {}, element("h3", {}, title), ...children);
    }

    /* How long each stage took, as the header Server-Timing says it. */
    function timing(header, elapsed) {
        const stages = new Map();
        for (const part of (header || "").split(",")) {
            const [name, ...parameters] = part.trim().split(";");
            const found = parameters.find((each) => each.startsWith("dur="));
            if (name && found) {
                stages.set(name, Number(found.slice(4)));
            }
        }
        const names = { queue: "waiting for a free shell", load: "loading the version", run: "running", other: "on the way", total: "total on the web node" };
        const said = [...stages].filter(([name]) => names[name]);
        const total = stages.get("total") || elapsed;
        const bars = said.filter(([name]) => name !== "total").map(([name, duration]) => element("span", {
            class: `timing-part timing-${name}`, style: `flex-grow: ${Math.max(duration / total, 0.002)}`,
        }));
        const rows = [...said, ["browser", elapsed]].map(([name, duration]) => element("div", {},
            element("dt", { class: `timing-key timing-${name}` }, names[name] || "seen from this browser"),
            element("dd", {}, duration >= 1000 ? `${(duration / 1000).toFixed(2)} s` : `${duration.toFixed(1)} ms`)));
        return element("div", { class: "timing" },
            ...(bars.length ? [element("div", { class: "timing-bar", "aria-hidden": "true" }, ...bars)] : []),
            element("dl", { class: "timing-facts" }, ...rows));
    }

    /* Everything that a result object says. */
    function resultView(result, text) {
        const parts = [];
        if (!result.success) {
            parts.push(element("div", { class: "note note-danger" },
                element("strong", {}, "The code of the version failed. "), "It was called and answered; this is what it said:",
                element("pre", { class: "code", tabindex: "0" }, result.errorMessage || "(no message)")));
        }
        const outputs = Object.entries(result.outputParameters || {});
        parts.push(...outputs.map(([name, value]) => section(name, output(name, value))));
        if (result.success && !outputs.length) {
            parts.push(element("p", { class: "muted" }, "It ran and returned no outputs."));
        }
        const files = Object.entries(result.outputFiles || {});
        if (files.length) {
            parts.push(section("Files", ...files.map(([name, content]) => file(name, content))));
        }
        if (result.consoleOutput) {
            parts.push(section("Printed", element("pre", { class: "code", tabindex: "0" }, result.consoleOutput)));
        }
        if (result.changedFiles?.length) {
            parts.push(element("p", { class: "muted" }, `Files that it changed: ${result.changedFiles.join(", ")}`));
        }
        parts.push(element("details", {}, element("summary", {}, "Answer as JSON"),
            element("pre", { class: "code", id: "try-answer", tabindex: "0" },
                text.length > SHOWN_LETTERS ? `${text.slice(0, SHOWN_LETTERS)}… (${size(text.length)} in all)` : JSON.stringify(result, null, 2)),
            download("answer.json", new Blob([text], { type: "application/json" }), "Download answer.json")));
        return parts;
    }

    Object.assign(window.tryIt, { resultView, timing });
})();
