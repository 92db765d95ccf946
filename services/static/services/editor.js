/* A light code editor over a textarea: line numbers, indentation, and one marked line.
 *
 * `<textarea data-editor>` becomes one. Tab indents; Esc and then Tab leaves, so that the keyboard is
 * never trapped. `codeEditor.mark(textarea, 7)` marks line 7 and goes there, `0` marks none.
 */
(function () {
    "use strict";

    const editors = new WeakMap();

    function linesOf(area) {
        return area.value.split("\n").length;
    }

    function draw(area) {
        const { gutter, marker, marked } = editors.get(area);
        const count = linesOf(area);
        if (gutter.childElementCount !== count) {
            gutter.replaceChildren(
                ...Array.from({ length: count }, (_, index) => {
                    const number = document.createElement("span");
                    number.textContent = index + 1;
                    return number;
                }),
            );
        }
        [...gutter.children].forEach((number, index) => {
            number.classList.toggle("is-marked", index + 1 === marked);
        });
        const height = parseFloat(getComputedStyle(area).lineHeight);
        const padding = parseFloat(getComputedStyle(area).paddingTop);
        gutter.style.transform = `translateY(${-area.scrollTop}px)`;
        marker.hidden = !marked || marked > count;
        marker.style.top = `${padding + (marked - 1) * height - area.scrollTop}px`;
        marker.style.height = `${height}px`;
    }

    function insert(area, text) {
        /* Deprecated, and yet the only way that keeps the browser's undo. */
        if (!document.execCommand("insertText", false, text)) {
            area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
            area.dispatchEvent(new Event("input", { bubbles: true }));
        }
    }

    function lineStart(area, position) {
        return area.value.lastIndexOf("\n", position - 1) + 1;
    }

    /* Indents the selected lines by `step`, or takes as much away. */
    function shift(area, step, isBack) {
        const start = lineStart(area, area.selectionStart);
        const end = Math.max(area.selectionEnd, start);
        const lines = area.value.slice(start, end).split("\n");
        const moved = lines.map((line) => {
            if (!isBack) {
                return step + line;
            }
            const blanks = line.match(/^ */)[0].length;
            return line.slice(Math.min(blanks, step.length));
        });
        area.setSelectionRange(start, end);
        insert(area, moved.join("\n"));
        area.setSelectionRange(start, start + moved.join("\n").length);
    }

    function onKey(event) {
        const area = event.target;
        const state = editors.get(area);
        const step = " ".repeat(Number(area.dataset.indent) || 4);
        const mayLeave = state.mayLeave;
        state.mayLeave = event.key === "Escape" || (mayLeave && event.key === "Shift");
        if (event.ctrlKey || event.metaKey || event.altKey || area.readOnly) {
            return;
        }
        if (event.key === "Tab" && !mayLeave) {
            event.preventDefault();
            const isBlock = area.value.slice(area.selectionStart, area.selectionEnd).includes("\n");
            if (event.shiftKey || isBlock) {
                shift(area, step, event.shiftKey);
            } else {
                const column = area.selectionStart - lineStart(area, area.selectionStart);
                insert(area, " ".repeat(step.length - (column % step.length)));
            }
        } else if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            const before = area.value.slice(lineStart(area, area.selectionStart), area.selectionStart);
            const deeper = /[:({[]\s*$/.test(before) ? step : "";
            insert(area, "\n" + before.match(/^\s*/)[0] + deeper);
        }
    }

    function setUp(area) {
        if (editors.has(area)) {
            return;
        }
        const frame = document.createElement("div");
        const gutter = document.createElement("div");
        const marker = document.createElement("div");
        frame.className = "editor";
        gutter.className = "editor-gutter";
        marker.className = "editor-marker";
        gutter.setAttribute("aria-hidden", "true");
        area.replaceWith(frame);
        frame.append(gutter, marker, area);
        area.wrap = "off";
        area.spellcheck = false;
        area.autocapitalize = "off";
        area.setAttribute("autocomplete", "off");
        editors.set(area, { gutter, marker, marked: 0, mayLeave: false });
        area.addEventListener("keydown", onKey);
        area.addEventListener("blur", () => (editors.get(area).mayLeave = false));
        area.addEventListener("input", () => draw(area));
        area.addEventListener("scroll", () => draw(area));
        new ResizeObserver(() => draw(area)).observe(area);
        draw(area);
    }

    window.codeEditor = {
        setUp,
        draw,
        mark(area, line) {
            editors.get(area).marked = line;
            if (line) {
                const height = parseFloat(getComputedStyle(area).lineHeight);
                area.scrollTop = Math.max(0, (line - 4) * height);
            }
            draw(area);
        },
        /* Puts the caret at the beginning of a line. */
        goTo(area, line) {
            const position = area.value.split("\n").slice(0, line - 1).join("\n").length;
            area.focus();
            area.setSelectionRange(position + (line > 1), position + (line > 1));
        },
    };
})();
