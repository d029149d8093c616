#include "topics/detail/partition_lexicon.h"

#include <algorithm>
#include <vector>

namespace panal::topics::detail {
namespace {

struct DomainText {
  std::string_view name;
  std::string_view title;
  std::string_view strong;
  std::string_view weak;
};

constexpr DomainText kDomains[] = {
    {"legal", "legal texts",
     "license licence licenses licences licensee licensor licensed licensing sublicense warranty "
     "warranties "
     "copyright copyrighted copyleft liability liable gpl lgpl agpl mpl gfdl patent patents "
     "trademark "
     "indemnify indemnity lawsuit contract contracts contractual clause clauses jurisdiction court "
     "courts "
     "lawyer attorney plaintiff defendant statute legal legally lawful unlawful law laws "
     "infringement "
     "infringe tort litigation constitution redistribute redistribution hereby thereof herein "
     "licencia licencias garantía garantías contrato contratos abogado demanda juez jurídico "
     "jurídica "
     "cláusula patente patentes tribunal sentencia jurisprudencia derechos "
     "licence garantie contrat juridique avocat lizenz haftung vertrag gesetz urheberrecht gericht "
     "licença "
     "contrato advogado cláusula",
     "permission permissions rights distribute distribution terms conditions notice modify "
     "modification "
     "agreement provision provisions party parties derivative compliance comply granted grant "
     "obligations "
     "obligation disclaimer damages rights source apache mozilla gnu free permiso ley leyes legal "
     "permite "
     "redistribuir artículo código"},
    {"code", "program code",
     "python code coding coder loop loops generator generators javascript java typescript rust "
     "golang kotlin perl ruby haskell bash sql html css regex regexp "
     "json yaml xml algorithm algorithms compile compiler debug debugger debugging refactor "
     "recursion recursive "
     "recursively traceback stdout stdin boolean tuple tuples iterator iterators decorator lambda "
     "async asyncio "
     "subprocess pytest expression expressions unittest docstring stacktrace variable variables "
     "function functions programming "
     "programmer syntax runtime multithreading mutex hashmap dictionary dict enum api endpoint git "
     "github "
     "codebase exception exceptions parser parse parses parsing linked unicode utf subclass "
     "superclass "
     "metaclass coroutine backend frontend programa programar programación función funciones "
     "variable depurar "
     "compilar algoritmo algoritmos bucle cadena clase diccionario fonction programmer algorithme "
     "funktion programmieren "
     "funktionen função programação",
     "program script scripts class classes method methods string strings list lists array arrays "
     "integer float file files module modules library package import argument arguments parameter "
     "object "
     "objects return returns implement implementation sort sorted error bug fix snippet print read "
     "write input "
     "output data sequence stack queue tree graph binary thread threads process server client "
     "socket http "
     "database query test tests type types inheritance interface pointer memory cache log csv path "
     "directory "
     "command line terminal código script fichero archivo lista método objeto error ordenar leer "
     "imprimir "
     "módulo datei klasse fichier classe arquivo lista"},
    {"fiction", "fiction",
     "novel novels fiction poem poems poetry poet sonnet playwright protagonist tale tales fairy "
     "storyteller "
     "thou thee thy hath doth knight knights squire novela novelas cuento cuentos poema poemas "
     "poesía poeta personaje personajes protagonista "
     "caballero caballeros escudero hidalgo andante andantes caballería caballerías conte gedicht "
     "märchen romance conto",
     "story stories character characters chapter lord lady king queen prince sir love heart eyes "
     "night death "
     "said replied cried sword castle adventure adventures scene act exit enter narrator plot "
     "author speak "
     "capítulo historia señor señora dijo respondió replicó rey reina amor corazón ojos noche "
     "muerte espada "
     "castillo aventura aventuras venta cura barbero merced princesa duque duquesa novelista "
     "autor"},
    {"science", "science",
     "physics chemistry biology molecule molecules atom atoms electron electrons quantum "
     "hypothesis experiment "
     "experiments theorem equation equations species genus protein proteins enzyme photosynthesis "
     "galaxy "
     "planet planets astronomy telescope geology isotope dna genome genes neuron physicist chemist "
     "biologist "
     "física química biología molécula átomo electrón teorema ecuación especie galaxia planeta",
     "energy temperature cell cells theory measured measurement laboratory mass velocity research "
     "observed "
     "data acid surface organism evolution energía temperatura célula teoría medida"},
    {"medicine", "medicine",
     "patient patients disease diseases symptom symptoms diagnosis clinical therapy dose dosage "
     "surgery surgeon "
     "physician hospital infection infections antibiotic antibiotics vaccine vaccines tumor tumour "
     "cancer "
     "diabetes chronic acute syndrome pharmacology nurse paciente pacientes enfermedad "
     "enfermedades síntoma "
     "síntomas diagnóstico tratamiento cirugía médico hospital infección vacuna",
     "treatment medical medicine blood pain heart care health doctor drug drugs risk sangre dolor "
     "salud"},
    {"finance", "finance",
     "bank banks banking investor investors investment investments stock stocks bond bonds "
     "dividend equity "
     "inflation portfolio hedge credit debt loan loans mortgage revenue profit profits earnings "
     "shareholder "
     "shareholders fiscal monetary currency banco inversión inversiones acciones bonos inflación "
     "crédito deuda "
     "préstamo hipoteca ingresos beneficios moneda",
     "market markets price prices rate rates tax taxes capital cost assets fund funds economy "
     "economic quarter "
     "percent mercado precio precios impuesto impuestos capital fondo economía"},
    {"news", "news",
     "reuters minister president government elections election parliament senate spokesman "
     "spokeswoman "
     "reporters officials protesters police journalist ministro presidente gobierno elecciones "
     "parlamento "
     "senado portavoz policía periodista",
     "said monday tuesday wednesday thursday friday week announced reported statement country "
     "countries attack "
     "party leader talks lunes martes miércoles jueves viernes semana anunció país líder"},
    {"encyclopedia", "encyclopaedic texts",
     "album albums season seasons episode episodes film films band tour league championship "
     "football "
     "baseball tournament soundtrack actor actress director premiered released billboard century "
     "troops "
     "battalion regiment navy ship ships cruiser brigade infantry squadron highway temporada álbum "
     "película "
     "siglo campeonato liga batalla",
     "song songs game games team played player players war born career city town river building "
     "church route "
     "series music video century century area north south east west population million record "
     "battle award "
     "championships located built located ciudad río iglesia nacido carrera guerra juego equipo"},
    {"religion", "religion",
     "god lord jesus christ gospel prayer psalm bible scripture apostle prophet holy heaven sin "
     "sins church dios "
     "jesús cristo evangelio oración biblia profeta cielo",
     "faith spirit soul blessed bless priest temple fe espíritu alma bendito iglesia"},
    {"cooking", "cooking",
     "recipe recipes tablespoon teaspoon tablespoons teaspoons oven bake simmer garlic onion flour "
     "butter "
     "ingredients saucepan chopped receta recetas cucharada cucharadita horno ajo cebolla harina "
     "mantequilla "
     "ingredientes",
     "cup cups minutes salt pepper sugar water heat add stir cook sal azúcar agua aceite minutos"},
    {"mathematics", "mathematics",
     "theorem lemma proof proofs corollary polynomial matrix matrices eigenvalue integer integers "
     "topology "
     "manifold integral derivative algebra algebraic geometry calculus teorema lema demostración "
     "corolario "
     "polinomio matriz álgebra geometría cálculo",
     "function number numbers equation set sets finite infinite prime vector space function prove "
     "ecuación "
     "número números conjunto demostrar"},
};

// Frequent words of questions and general text that are no evidence by themselves.
constexpr std::string_view kCommonWords =
    "people time times year years day days way ways thing things man men woman women child "
    "children world life "
    "hand part place places case cases week company system work works working question questions "
    "number "
    "numbers night point home water room mother area money story fact month lot right study book "
    "books eye job "
    "word words business issue side kind head house friend father power hour game end member law "
    "car city "
    "community name names president team minute idea body information back parent face others "
    "level office door "
    "health person art war history result change morning reason research girl guy moment air "
    "teacher force "
    "education foot boy age policy music market sense nation plan college interest death "
    "experience effect use "
    "class control field development role effort rate heart drug show leader light voice wife "
    "police mind price "
    "report decision son view relationship town road arm difference value building action season "
    "society tax "
    "director position player record paper space ground form event official matter center couple "
    "site project "
    "activity star table need court oil situation cost industry figure street image phone data "
    "picture practice "
    "piece land product doctor wall patient worker news test movie north love best good better "
    "great big small "
    "long short old high low large little important different next early young public bad able "
    "last late hard "
    "major possible real full clear recent certain personal open red difficult available likely "
    "single common "
    "poor natural significant similar hot dead central happy three four five six seven eight nine "
    "ten animals animal roman american british german europe america africa asia serious ready "
    "simple left physical general "
    "environmental foreign main know think take see come want look find get go going say says mean "
    "means "
    "feel become leave put keep let begin seem help talk turn start run move live believe bring "
    "happen "
    "provide sit stand lose pay meet include continue set learn lead understand watch follow stop "
    "create speak "
    "read allow add spend grow win offer remember consider appear buy wait serve die send expect "
    "build stay fall "
    "cut reach kill remain suggest raise pass sell require decide return hope develop carry break "
    "receive agree "
    "support hit produce eat cover catch draw choose cause called call calls country countries "
    "capital "
    "famous weather today tomorrow yesterday france paris english spanish language translate "
    "translation "
    "summarize summary summarise describe compare list example examples sentence paragraph text "
    "letter "
    "difference tell give explain write best way second seconds minutes hours everything something "
    "anything "
    "nothing someone anyone always never often sometimes really actually maybe much far away "
    "around however "
    "therefore although since until without within along among across several another again still "
    "already "
    "gente cosa cosas vez tiempo año años día días mundo casa lugar parte nombre hombre mujer caso "
    "forma trabajo "
    "mano momento manera problema historia ejemplo palabra palabras pregunta respuesta ciudad "
    "capital país "
    "mejor peor grande pequeño nuevo bueno malo importante significa quiere decir explica escribe "
    "traduce "
    "resume hoy mañana ayer noche agua libro texto francia parís tres cuatro cinco";

void add_words(std::string_view words, double strength,
               std::unordered_map<std::string_view, double>& into) {
  while (!words.empty()) {
    const std::size_t end = std::min(words.find(' '), words.size());
    into.try_emplace(words.substr(0, end), strength);
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

}  // namespace

std::span<const Domain> domains() {
  static const std::vector<Domain> made = [] {
    std::vector<Domain> all;
    for (const DomainText& text : kDomains) {
      Domain& domain = all.emplace_back(Domain{text.name, text.title, {}});
      add_words(text.strong, 1.0, domain.words);
      add_words(text.weak, 0.45, domain.words);
    }
    return all;
  }();
  return made;
}

const Domain* find_domain(std::string_view name) {
  const auto all = domains();
  const auto found = std::ranges::find(all, name, &Domain::name);
  return found == all.end() ? nullptr : &*found;
}

bool is_common_word(std::string_view lower_case_word) {
  static const auto words = [] {
    std::unordered_map<std::string_view, double> made;
    add_words(kCommonWords, 1, made);
    return made;
  }();
  return words.contains(lower_case_word);
}

}  // namespace panal::topics::detail
