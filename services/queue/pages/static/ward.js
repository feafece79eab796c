// The ward's YAML has three parts, each with the service that it is for: put together they are what `caunoi seed` takes.
const link = document.getElementById("ward-yaml");

link?.addEventListener("click", async (event) => {
  event.preventDefault();
  const answers = await Promise.all(link.dataset.parts.split(" ").map((part) => fetch(part, { cache: "no-store" })));
  if (!answers.every((answer) => answer.ok)) return location.reload();
  const parts = await Promise.all(answers.map((answer) => answer.text()));
  const file = document.createElement("a");
  file.href = URL.createObjectURL(new Blob(parts, { type: "application/yaml" }));
  file.download = link.download;
  file.click();
  URL.revokeObjectURL(file.href);
});
