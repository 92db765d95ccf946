/* Shows what typed entries name shortly after the last key. */
(function () {
    "use strict";

    const form = document.querySelector("form[data-preview]");
    const field = form.querySelector("textarea");
    const place = document.getElementById("preview");
    let timer = null;
    let asked = 0;
    let shownFor = field.value;

    async function show() {
        const text = field.value;
        const number = (asked += 1);
        const answer = await window.consoleFetch(form.dataset.preview, {
            method: "POST",
            headers: { "HX-Request": "true" },
            body: new URLSearchParams({ entries: text }),
        });
        if (answer.ok && number === asked) {
            place.innerHTML = await answer.text();
            shownFor = text;
        }
    }

    field.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(show, 250);
    });

    /* What is sent has been seen: typed faster than shown, it is shown first. */
    form.addEventListener("submit", async (event) => {
        if (field.value !== shownFor) {
            event.preventDefault();
            clearTimeout(timer);
            await show();
            field.focus();
        }
    });
})();
