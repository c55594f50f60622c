// The button that copies the methods as text, with the numbers of the references. Files opened from a disk have no
// clipboard of their own, so that the older way stands behind the newer one.
(function () {
  "use strict";
  const button = document.getElementById("copy-methods"), box = document.getElementById("methods-text");
  if (!button || !box) return;
  const text = () => [
    box.querySelector("p").textContent,
    "",
    ...[...box.querySelectorAll("li")].map((item, n) => `[${n + 1}] ${item.textContent}`),
  ].join("\n");
  const done = () => {
    button.textContent = "Copied";
    window.setTimeout(() => { button.textContent = "Copy as text"; }, 2000);
  };
  function older() {
    const area = document.createElement("textarea");
    area.value = text();
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (copied) done();
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    if (navigator.clipboard) navigator.clipboard.writeText(text()).then(done, older);
    else older();
  });
})();
