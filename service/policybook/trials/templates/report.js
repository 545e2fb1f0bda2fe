(function () {
  "use strict";
  var q = document.getElementById("q"), failed = document.getElementById("only-failed"), review = document.getElementById("only-review");
  var count = document.getElementById("count"), items = Array.prototype.slice.call(document.querySelectorAll("[data-t]"));
  var files = Array.prototype.slice.call(document.querySelectorAll("details.file"));
  var opened = files.map(function (f) { return f.open; });
  function apply() {
    var words = q.value.toLowerCase().split(/\s+/).filter(Boolean), narrowed = words.length || failed.checked || review.checked, cases = 0;
    items.forEach(function (item) {
      var text = item.getAttribute("data-t");
      var shown = words.every(function (w) { return text.indexOf(w) >= 0; });
      var isCase = item.closest(".cases") !== null;
      if (isCase || item.classList.contains("failure")) {
        shown = shown && (!failed.checked || item.hasAttribute("data-failed")) && (!review.checked || item.hasAttribute("data-review"));
      }
      item.hidden = !shown;
      if (isCase && shown) { cases += 1; }
    });
    files.forEach(function (f, i) {
      var any = f.querySelector("tbody tr:not([hidden])") !== null;
      f.hidden = !any && f.querySelector("tbody tr") !== null;
      f.open = narrowed ? any : opened[i];
    });
    count.textContent = narrowed ? cases + " " + count.getAttribute("data-word") : "";
  }
  [q, failed, review].forEach(function (e) { e.addEventListener("input", apply); });
  // On paper nothing can be opened.
  var closed = [];
  window.addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(document.querySelectorAll("details.file:not([open]), .more details:not([open]), .failure details:not([open])"));
    closed.forEach(function (d) { d.open = true; });
  });
  window.addEventListener("afterprint", function () { closed.forEach(function (d) { d.open = false; }); });
  if (q.value || failed.checked || review.checked) { apply(); }
})();
