/* Live lists: cells that have changed are renewed in place, so that what is selected stays so. */
(function () {
    "use strict";

    const rowsOf = (part) => [...part.querySelectorAll("#result_list tr.data-row")];
    const boxes = (part) => [...part.querySelectorAll("input.action-select")];

    /* What tells a row from others: the box that selects it, or its first link. */
    function keyOf(row) {
        const box = row.querySelector("input.action-select");
        return box ? box.value : (row.querySelector("a[href]")?.getAttribute("href") ?? "");
    }

    function renew(before, after) {
        if (before.innerHTML === after.innerHTML) {
            return;
        }
        const focused = before.contains(document.activeElement) ? document.activeElement : null;
        const place = focused ? [...before.querySelectorAll(focused.tagName)].indexOf(focused) : -1;
        before.innerHTML = after.innerHTML;
        if (focused) {
            before.querySelectorAll(focused.tagName)[place]?.focus({ preventScroll: true });
        }
    }

    /* Whether the rows are the same ones, and their cells are renewed. */
    function renewCells(body, fresh) {
        const before = rowsOf(body);
        const after = rowsOf(fresh);
        const isSame =
            before.length > 0 &&
            before.length === after.length &&
            before.every((row, index) => keyOf(row) === keyOf(after[index]));
        if (isSame) {
            before.forEach((row, index) => {
                [...row.children].forEach((cell, place) => {
                    if (!cell.querySelector("input.action-select")) {
                        renew(cell, after[index].children[place]);
                    }
                });
            });
        }
        return isSame;
    }

    let selected = new Set();

    function beforeSwap(event) {
        const body = event.target;
        if (!event.detail.shouldSwap || !body.closest("#changelist-form")) {
            return;
        }
        const fresh = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
        if (renewCells(body, fresh)) {
            const summary = fresh.getElementById("live-summary");
            if (summary) {
                renew(document.getElementById("live-summary"), summary);
            }
            event.detail.shouldSwap = false;
        } else {
            selected = new Set(boxes(body).filter((each) => each.checked).map((each) => each.value));
        }
    }

    function afterSwap(event) {
        if (!event.target.closest("#changelist-form")) {
            return;
        }
        const now = boxes(event.target);
        for (const each of now) {
            each.checked = selected.has(each.value);
        }
        /* Django's script has bound itself to the rows that are gone. */
        if (now.length && window.Actions) {
            window.Actions(now);
            now[0].dispatchEvent(new Event("change", { bubbles: true }));
        }
    }

    /* After console.js, which decides first whether anything is taken over at all. */
    document.addEventListener("DOMContentLoaded", () => {
        document.addEventListener("htmx:beforeSwap", beforeSwap);
        document.addEventListener("htmx:afterSwap", afterSwap);
    });
})();
