/* The inputs of "Try it": a form made from the parameters of a version, to and from JSON. */
(function () {
    "use strict";

    const MAX_GRID_ROWS = 200;
    const MAX_GRID_COLUMNS = 60;
    let nextId = 0;

    function element(name, attributes = {}, ...children) {
        const made = document.createElement(name);
        for (const [key, value] of Object.entries(attributes)) {
            if (key.startsWith("on")) {
                made.addEventListener(key.slice(2), value);
            } else if (value === true) {
                made.setAttribute(key, "");
            } else if (value !== false && value !== null && value !== undefined) {
                made.setAttribute(key, value);
            }
        }
        made.append(...children);
        return made;
    }

    /* Texts that people type, as values. */

    function valueOf(text, kind = "auto") {
        const trimmed = text.trim();
        if (kind === "text") {
            return text;
        }
        if (trimmed === "" || trimmed === "NA" || trimmed === "null") {
            return null;
        }
        if (kind !== "number" && /^(true|false)$/i.test(trimmed)) {
            return trimmed.toLowerCase() === "true";
        }
        if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(trimmed)) {
            return Number(trimmed);
        }
        if (kind === "number") {
            throw new Error(`${JSON.stringify(trimmed)} is not a number`);
        }
        if (kind === "logical") {
            throw new Error(`${JSON.stringify(trimmed)} is neither true nor false`);
        }
        return text;
    }

    function textOf(value) {
        return value === null || value === undefined ? "" : String(value);
    }

    /* Lines of comma-separated (or tab-separated) cells; quotes keep commas, quotes and breaks. */
    function cellsOf(text) {
        const separator = text.includes("\t") ? "\t" : /;/.test(text) && !/,/.test(text) ? ";" : ",";
        const rows = [[]];
        let cell = "";
        let quoted = false;
        for (let at = 0; at < text.length; at += 1) {
            const letter = text[at];
            if (quoted) {
                if (letter === '"' && text[at + 1] === '"') {
                    cell += '"';
                    at += 1;
                } else if (letter === '"') {
                    quoted = false;
                } else {
                    cell += letter;
                }
            } else if (letter === '"' && cell.trim() === "") {
                quoted = true;
                cell = "";
            } else if (letter === separator) {
                rows.at(-1).push(cell);
                cell = "";
            } else if (letter === "\n" || letter === "\r") {
                if (letter === "\r" && text[at + 1] === "\n") {
                    at += 1;
                }
                rows.at(-1).push(cell);
                cell = "";
                rows.push([]);
            } else {
                cell += letter;
            }
        }
        rows.at(-1).push(cell);
        return rows.filter((row) => row.length > 1 || row[0].trim() !== "");
    }

    function readJson(text, what) {
        try {
            return JSON.parse(text);
        } catch (error) {
            throw new Error(`${what} is not valid JSON: ${error.message}`);
        }
    }

    /* Each field has `node`, `read()`, which throws an Error with a sentence, and `write(value)`. */

    function labelled(parameter, input, help) {
        input.id = `try-input-${nextId++}`;
        const hint = element("span", { class: "help", id: `${input.id}-help` }, help);
        input.setAttribute("aria-describedby", hint.id);
        return element(
            "p",
            { class: "field" },
            element("label", { for: input.id }, parameter.name),
            input,
            hint,
        );
    }

    function numberField(parameter) {
        const isWhole = parameter.type === "integer";
        const input = element("input", { type: "number", step: isWhole ? "1" : "any" });
        return {
            node: labelled(parameter, input, isWhole ? "a whole number" : "a number"),
            read() {
                if (input.validity.badInput) {
                    throw new Error(`${parameter.name} is not a number`);
                }
                return input.value === "" ? null : Number(input.value);
            },
            write(value) {
                input.value = typeof value === "number" ? value : "";
            },
        };
    }

    function logicalField(parameter) {
        const input = element("input", { type: "checkbox" });
        const node = labelled(parameter, input, "ticked is true");
        node.classList.add("field-check");
        return {
            node,
            read: () => input.checked,
            write(value) {
                input.checked = value === true;
            },
        };
    }

    function textField(parameter) {
        const input = element("textarea", { rows: "2" });
        return {
            node: labelled(parameter, input, "text"),
            read: () => input.value,
            write(value) {
                input.value = textOf(value);
            },
        };
    }

    function listField(parameter) {
        const isMatrix = parameter.type === "matrix";
        const input = element("textarea", { rows: isMatrix ? "4" : "2", spellcheck: "false", class: "code-input" });
        const help = isMatrix
            ? "one row a line, values between commas; or JSON such as [[1, 2], [3, 4]]"
            : "values between commas; or JSON such as [1, 2, 3]";
        return {
            node: labelled(parameter, input, help),
            read() {
                const text = input.value.trim();
                if (text.startsWith("[")) {
                    return readJson(text, parameter.name);
                }
                const rows = cellsOf(text).map((row) => row.map((cell) => valueOf(cell)));
                return isMatrix ? rows : rows.flat();
            },
            write(value) {
                if (isMatrix && Array.isArray(value) && value.every(Array.isArray)) {
                    input.value = `[${value.map((row) => JSON.stringify(row)).join(",\n ")}]`;
                } else {
                    input.value = value === null || value === undefined ? "" : JSON.stringify(value);
                }
            },
        };
    }

    function columnsOf(value) {
        if (Array.isArray(value)) {
            const names = [...new Set(value.flatMap((row) => Object.keys(row || {})))];
            return Object.fromEntries(names.map((name) => [name, value.map((row) => row[name] ?? null)]));
        }
        const columns = Object.entries(value || {});
        return Object.fromEntries(columns.map(([name, cells]) => [name, Array.isArray(cells) ? cells : [cells]]));
    }

    function kindOf(cells) {
        const isText = cells.some((cell) => typeof cell === "string" && typeof valueOf(cell) !== "string");
        return isText ? "text" : "auto";
    }

    function gridField(parameter) {
        let columns = [{ name: "column", kind: "auto" }];
        let rows = [[""]];
        const id = `try-grid-${nextId++}`;
        const table = element("table", { class: "data-table grid", "aria-labelledby": `${id}-label` });
        const csv = element("textarea", { rows: "4", id: `${id}-csv`, spellcheck: "false", class: "code-input" });
        const problem = element("p", { class: "error", role: "alert", hidden: true });

        function focusCell(row, column) {
            table.querySelector(`[data-row="${row}"][data-column="${column}"]`)?.focus();
        }

        function addRow() {
            rows.push(columns.map(() => ""));
            draw();
            focusCell(rows.length - 1, 0);
        }

        function move(event, row, column) {
            const step = { ArrowDown: 1, Enter: 1, ArrowUp: -1 }[event.key];
            if (!step || event.ctrlKey || event.metaKey || event.altKey) {
                return;
            }
            event.preventDefault();
            if (event.key === "Enter" && row === rows.length - 1 && rows.length < MAX_GRID_ROWS) {
                rows.push(columns.map(() => ""));
                draw();
            }
            focusCell(row + step, column);
        }

        function paste(event, row, column) {
            const text = event.clipboardData.getData("text");
            if (!/[\t\n\r]/.test(text.trimEnd())) {
                return;
            }
            event.preventDefault();
            cellsOf(text).slice(0, MAX_GRID_ROWS - row).forEach((cells, down) => {
                while (rows.length <= row + down) {
                    rows.push(columns.map(() => ""));
                }
                cells.slice(0, MAX_GRID_COLUMNS - column).forEach((cell, along) => {
                    while (columns.length <= column + along) {
                        columns.push({ name: `column${columns.length + 1}`, kind: "auto" });
                        rows.forEach((each) => each.push(""));
                    }
                    rows[row + down][column + along] = cell;
                });
            });
            draw();
            focusCell(row, column);
        }

        function head(column, at) {
            const kinds = { auto: "auto", number: "number", text: "text", logical: "true/false" };
            const options = Object.entries(kinds).map(([value, label]) =>
                element("option", { value, selected: value === column.kind }, label));
            return element("th", { scope: "col" },
                element("input", {
                    value: column.name, "aria-label": `Name of column ${at + 1}`, class: "grid-name",
                    oninput: (event) => { column.name = event.target.value; },
                }),
                element("span", { class: "grid-tools" },
                    element("select", {
                        "aria-label": `Type of column ${column.name}`,
                        onchange: (event) => { column.kind = event.target.value; },
                    }, ...options),
                    element("button", {
                        type: "button", class: "button button-small", "aria-label": `Remove column ${column.name}`,
                        title: "Remove column",
                        onclick: () => { columns.splice(at, 1); rows.forEach((row) => row.splice(at, 1)); draw(); },
                    }, "×")));
        }

        function line(cells, row) {
            const fields = cells.map((cell, column) => element("td", { "data-label": columns[column].name },
                element("input", {
                    value: cell, "data-row": row, "data-column": column, autocomplete: "off",
                    "aria-label": `${columns[column].name}, row ${row + 1}`,
                    oninput: (event) => { rows[row][column] = event.target.value; },
                    onkeydown: (event) => move(event, row, column),
                    onpaste: (event) => paste(event, row, column),
                })));
            return element("tr", {}, element("th", { scope: "row" }, String(row + 1)), ...fields,
                element("td", { class: "grid-end" }, element("button", {
                    type: "button", class: "button button-small", "aria-label": `Remove row ${row + 1}`,
                    title: "Remove row",
                    onclick: () => { rows.splice(row, 1); draw(); },
                }, "×")));
        }

        function draw() {
            table.replaceChildren(
                element("thead", {}, element("tr", {}, element("th", { scope: "col" },
                    element("span", { class: "visually-hidden" }, "Row")), ...columns.map(head),
                    element("td", {}))),
                element("tbody", {}, ...rows.map(line)));
        }

        function takeCsv() {
            const found = cellsOf(csv.value);
            problem.hidden = found.length > 1;
            if (found.length < 2) {
                problem.textContent = "Paste a line of column names and at least one line of values.";
                return;
            }
            if (found.length - 1 > MAX_GRID_ROWS || found[0].length > MAX_GRID_COLUMNS) {
                problem.hidden = false;
                problem.textContent = `Here go ${MAX_GRID_ROWS} rows of ${MAX_GRID_COLUMNS} columns; for more use JSON.`;
                return;
            }
            columns = found[0].map((name) => ({ name: name.trim(), kind: "auto" }));
            rows = found.slice(1).map((row) => columns.map((_, at) => row[at] ?? ""));
            csv.value = "";
            csv.closest("details").open = false;
            draw();
            focusCell(0, 0);
        }

        const node = element("div", { class: "field", role: "group", "aria-labelledby": `${id}-label` },
            element("span", { id: `${id}-label`, class: "label" }, parameter.name),
            element("div", { class: "scroll-x", tabindex: "-1" }, table),
            element("span", { class: "help" },
                "Enter and the arrow keys go from row to row. Empty means missing. Rows copied from a spreadsheet may be pasted into a cell."),
            element("div", { class: "toolbar" },
                element("button", { type: "button", class: "button", onclick: addRow }, "Add row"),
                element("button", {
                    type: "button", class: "button",
                    onclick: () => {
                        columns.push({ name: `column${columns.length + 1}`, kind: "auto" });
                        rows.forEach((row) => row.push(""));
                        draw();
                        table.querySelectorAll(".grid-name")[columns.length - 1].select();
                    },
                }, "Add column")),
            element("details", {}, element("summary", {}, "Paste CSV"),
                element("label", { for: csv.id, class: "help" }, "First line: the names of the columns. Replaces all rows."),
                csv, problem,
                element("button", { type: "button", class: "button", onclick: takeCsv }, "Use these rows")));
        draw();
        return {
            node,
            read() {
                const names = columns.map((column) => column.name);
                if (new Set(names).size < names.length) {
                    throw new Error(`${parameter.name}: two columns have the same name`);
                }
                return Object.fromEntries(columns.map((column, at) => [
                    column.name,
                    rows.map((row, number) => {
                        try {
                            return valueOf(row[at], column.kind);
                        } catch (error) {
                            throw new Error(`${parameter.name}, ${column.name}, row ${number + 1}: ${error.message}`);
                        }
                    }),
                ]));
            },
            write(value) {
                const given = columnsOf(value);
                const length = Math.max(0, ...Object.values(given).map((cells) => cells.length));
                if (length > MAX_GRID_ROWS || Object.keys(given).length > MAX_GRID_COLUMNS) {
                    throw new Error(`${parameter.name} is too large for the form: stay with JSON`);
                }
                columns = Object.entries(given).map(([name, cells]) => ({ name, kind: kindOf(cells) }));
                rows = Array.from({ length }, (_, row) => Object.values(given).map((cells) => textOf(cells[row])));
                draw();
            },
        };
    }

    const FIELDS = {
        numeric: numberField,
        integer: numberField,
        logical: logicalField,
        character: textField,
        vector: listField,
        matrix: listField,
        "data.frame": gridField,
    };

    /* All inputs of a version below `place`. */
    function inputForm(place, parameters) {
        const fields = parameters.map((parameter) => [parameter.name, FIELDS[parameter.type](parameter)]);
        place.replaceChildren(...fields.map(([, field]) => field.node));
        if (!fields.length) {
            place.append(element("p", { class: "muted" }, "This version takes no inputs."));
        }
        return {
            read: () => Object.fromEntries(fields.map(([name, field]) => [name, field.read()])),
            write(inputs) {
                if (inputs === null || typeof inputs !== "object" || Array.isArray(inputs)) {
                    throw new Error("The inputs are a JSON object with one member for each input");
                }
                for (const [name, field] of fields) {
                    field.write(inputs[name]);
                }
            },
        };
    }

    window.tryIt = { element, inputForm, readJson, columnsOf };
})();
