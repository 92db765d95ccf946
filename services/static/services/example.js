/* Values of inputs, in JSON and as people type them. */
(function () {
    "use strict";

    const DEFAULTS = {
        logical: true,
        integer: 1,
        numeric: 1.5,
        character: "text",
        vector: [1, 2, 3],
        matrix: [[1, 2], [3, 4]],
    };

    /* What is typed into a cell: a number, true or false, nothing, or text. */
    function ofCell(text, type) {
        const trimmed = text.trim();
        if (trimmed === "") {
            return null;
        }
        if (type === "character") {
            return text;
        }
        if (/^(true|false)$/i.test(trimmed)) {
            return trimmed.toLowerCase() === "true";
        }
        const number = Number(trimmed);
        /* A zero in front is for a code, such as a postal one. */
        return Number.isFinite(number) && !/^[+-]?0\d/.test(trimmed) ? number : text;
    }

    function cells(line) {
        return line.split(/[,;\t]/).map((each) => ofCell(each));
    }

    /* A data frame, given as rows or as columns, as columns and rows of cells. */
    function frameOf(value) {
        if (Array.isArray(value)) {
            const columns = [...new Set(value.flatMap((row) => Object.keys(row || {})))];
            return { columns, rows: value.map((row) => columns.map((each) => row[each] ?? null)) };
        }
        const columns = Object.keys(value || {});
        const lists = columns.map((each) => [].concat(value[each]));
        const count = Math.max(1, ...lists.map((each) => each.length));
        const rows = Array.from({ length: count }, (_, line) => lists.map((each) => each[line] ?? null));
        return { columns, rows };
    }

    /* The frame as callers send it: an object for each row. */
    function rowsOf(frame) {
        return frame.rows.map((row) =>
            Object.fromEntries(frame.columns.map((column, place) => [column, row[place]])),
        );
    }

    /* A value to begin with, for an input of which nothing is known but its type. */
    function begin(type, columns) {
        if (type !== "data.frame") {
            return DEFAULTS[type] ?? null;
        }
        const known = columns.length ? columns : [{ name: "column", type: "numeric" }];
        const values = { logical: true, character: "text", integer: 1, numeric: 1.5 };
        return [
            Object.fromEntries(
                known.map((each) => [each.name, each.values?.[0] ?? values[each.type] ?? 1]),
            ),
        ];
    }

    /* Whether a value can be one of this type, so that a changed type begins anew. */
    function fits(value, type) {
        const isList = Array.isArray(value);
        switch (type) {
            case "logical":
                return typeof value === "boolean";
            case "integer":
            case "numeric":
                return value === null || typeof value === "number";
            case "character":
                return value === null || typeof value === "string";
            case "vector":
                return isList && value.every((each) => each === null || typeof each !== "object");
            case "matrix":
                return isList && value.every(Array.isArray);
            default:
                return isList
                    ? value.every((each) => each && typeof each === "object" && !Array.isArray(each))
                    : Boolean(value) && typeof value === "object";
        }
    }

    window.exampleInputs = {
        begin,
        fits,
        frameOf,
        ofCell,
        rowsOf,
        linesOf(value) {
            const lines = Array.isArray(value?.[0]) ? value : [value || []];
            return lines.map((line) => line.map((each) => each ?? "").join(", ")).join("\n");
        },
        ofLines(text, type) {
            const lines = text.split("\n").filter((line) => line.trim());
            return type === "matrix" ? lines.map(cells) : cells(lines.join(","));
        },
    };
})();
