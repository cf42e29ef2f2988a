// What Great Expectations' pages leave to jQuery and Bootstrap: folded parts, and the filter for failed rules.
document.addEventListener("click", (event) => {
  const link = event.target.closest('[data-toggle="collapse"]');
  if (!link) return;
  event.preventDefault();
  const folded = document.querySelector(link.getAttribute("href") || link.dataset.target);
  if (folded) folded.classList.toggle("show");
});
function show(failedOnly) {
  const hide = (element) => { if (element) element.style.display = failedOnly ? "none" : ""; };
  document.querySelectorAll(".hide-succeeded-validation-target").forEach(hide);
  document.querySelectorAll(".hide-succeeded-validation-target-child").forEach((one) => hide(one.parentElement));
  document.querySelectorAll(".hide-succeeded-validations-column-section-target-child").forEach((one) => {
    const section = one.parentElement.parentElement;
    hide(section);
    document.querySelectorAll(`a[href$="${section.id}"]`).forEach(hide);
  });
  document.querySelectorAll("[data-show]").forEach((one) =>
    one.classList.toggle("active", (one.dataset.show === "failed") === failedOnly));
}
