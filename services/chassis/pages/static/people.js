// Names of members stand with the service that may know them. A page of another service has references:
//
//   <span data-member="31186-m-4d8f2h6j">Đoàn viên …2h6j</span>
//   <div id="people" data-live="/volunteers/coordinator/31186/people" hidden>   there: <i data-person="REF">Name</i>
//
// and here the one is put into the other, again after each part that came anew.

function name() {
  const known = new Map([...document.querySelectorAll("[data-person]")].map((one) => [one.dataset.person, one.textContent]));
  for (const one of document.querySelectorAll("[data-member]")) {
    const found = known.get(one.dataset.member);
    if (found && one.textContent !== found) one.textContent = found;
  }
}

document.addEventListener("live:changed", name);
name();
