/* Shows the first rows as the server understands them, shortly after the last key or a new file. */
(function () {
    "use strict";

    const HEAD_BYTES = 400000; /* more than the server looks at */

    const form = document.querySelector("form[data-preview]");
    const version = document.getElementById("version");
    const rows = document.getElementById("rows");
    const file = document.getElementById("file");
    const place = document.getElementById("preview");
    let timer = null;
    let asked = 0;
    let shownFor = null;

    const stateOf = () =>
        [version.value, rows.value, file.files[0]?.name, file.files[0]?.size].join("\n");

    async function show() {
        const state = stateOf();
        const number = (asked += 1);
        const body = new FormData();
        body.set("version", version.value);
        if (file.files[0]) {
            body.set("file", file.files[0].slice(0, HEAD_BYTES), file.files[0].name);
        } else {
            body.set("rows", rows.value);
        }
        const answer = await window.consoleFetch(form.dataset.preview, {
            method: "POST",
            headers: { "HX-Request": "true" },
            body,
        });
        if (number === asked) {
            place.innerHTML = await answer.text();
            shownFor = state;
        }
    }

    const showSoon = () => {
        clearTimeout(timer);
        if (version.value && (rows.value || file.files[0])) {
            timer = setTimeout(show, 300);
        }
    };

    for (const field of [version, rows]) {
        field.addEventListener("input", showSoon);
    }
    file.addEventListener("change", showSoon);

    /* What is sent has been seen: sent faster than shown, it is shown first. */
    form.addEventListener("submit", async (event) => {
        if (stateOf() !== shownFor && shownFor !== null) {
            event.preventDefault();
            clearTimeout(timer);
            await show();
        }
    });
})();
