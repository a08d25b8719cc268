const show = verdict => {
  for (const one of document.querySelectorAll('details.case')) one.hidden = !!verdict && one.dataset.verdict !== verdict;
  for (const one of document.querySelectorAll('nav button')) one.classList.toggle('on', one.dataset.verdict === verdict);
};
for (const one of document.querySelectorAll('nav button')) one.onclick = () => show(one.dataset.verdict);
const open = () => {
  const at = document.getElementById(location.hash.slice(1));
  if (at && at.tagName === 'DETAILS') { show(''); at.open = true; at.scrollIntoView(); }
};
addEventListener('hashchange', open); open();
