/* Lines of the form for grants: adding and removing. */
(function () {
    "use strict";

    document.addEventListener("click", (event) => {
        const form = event.target.closest("form[data-grants]");
        if (!form) {
            return;
        }
        const rows = form.querySelector("[data-rows]");
        if (event.target.closest("[data-add]")) {
            rows.append(form.querySelector("template[data-row]").content.cloneNode(true));
            rows.lastElementChild.querySelector("input").focus();
        }
        const remove = event.target.closest("[data-remove]");
        if (remove) {
            remove.closest(".grant").remove();
            (rows.querySelector("input") || form.querySelector("[data-add]")).focus();
        }
    });
})();
